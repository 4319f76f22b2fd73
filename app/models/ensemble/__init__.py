"""Several models that are asked together and answer as one."""
