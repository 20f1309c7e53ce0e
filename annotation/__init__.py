"""Where people compare replies: the protocol of any annotation tool, the folder that keeps it, agreement."""
