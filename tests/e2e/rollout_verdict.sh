#!/usr/bin/env bash
# Rule sets that do other harm, and some that only look like it.
exec "$(dirname "$0")/../../tools/drill" --short --lines --jobs 3 blind spam-wave bulk-sender small-suffix time-bomb slow-regression
