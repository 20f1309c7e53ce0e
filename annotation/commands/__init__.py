"""The commands of `python -m annotation`, one module each.

A module has `add_arguments(parser)` and `run(given)`, and imports what is heavy inside its functions. It raises
`schemas.problems.Problem` for what a person has to mend, and prints what a person wants to know.
"""

COMMANDS = {
    "serve": "start the annotation server, with everything it needs",
    "stop": "end the server",
    "status": "where the server is, and what is in it",
    "users": "add, list and remove accounts",
    "push": "offer rows of a finished stage to annotators",
    "pull": "write what annotators have answered",
    "report": "how far to trust what annotators answered",
    "vote": "ask for one more vote on the records that most deserve it",
    "backup": "write everything into one file, while the server runs or not",
    "restore": "put a backup back",
}
