"""`python -m migrations`: bring the database of `DATABASE_URL` to the newest revision."""

import sys

from jobs.errors import JobsError
from jobs.settings import read_settings
from migrations.migrate import migrate


def main() -> int:
    """Run the command line."""
    try:
        migrate(read_settings().database)
    except JobsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
