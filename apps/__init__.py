"""What people see in a browser: the quota explorer for curators."""
