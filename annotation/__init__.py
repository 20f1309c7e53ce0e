"""Where people compare replies: the protocol any annotation tool is reached through, the folder that keeps it, agreement."""
