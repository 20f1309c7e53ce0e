"""The cycle's command line with the annotate stage alone, for generations whose sample stage was made by hand."""

import sys

from training import annotating, cycle

if __name__ == "__main__":
    cycle.steps = lambda: [cycle.Step("annotate", "compare the replies", annotating.annotate)]
    cycle.show_report = lambda generation: None
    sys.exit(cycle.main(sys.argv[1:]))
