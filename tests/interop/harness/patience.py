"""How long anything is waited for."""

#: Seconds after which what has not come never comes. A guard against waiting for ever, and never a measure: a busy machine is
#: slow and not at fault.
HANGS = 600
