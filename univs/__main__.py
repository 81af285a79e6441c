"""``python -m univs`` is the ``univs`` command."""

from univs.app.command_line import main

raise SystemExit(main())
