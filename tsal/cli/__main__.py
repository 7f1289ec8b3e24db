"""python -m tsal.cli"""

import sys

from tsal.cli import main

sys.exit(main())
