"""Where Rerun has these names: `rerun.error_utils`."""

from rerund_sdk.strictness import RerunWarning as RerunWarning
from rerund_sdk.strictness import catch_and_log_exceptions as catch_and_log_exceptions
from rerund_sdk.strictness import set_strict_mode as set_strict_mode
from rerund_sdk.strictness import strict_mode as strict_mode
