"""From waiting jobs to scores: batching on the event loop, computing on engine threads."""
