"""Looking inside: what a model costs, what it sees, what it uses, and the paper's tables beside ours."""
