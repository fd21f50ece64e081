#!/usr/bin/env bash
# What breaks around Weir: disk, files, clock, clients, either process. No refusal caused, old rules still enforced.
exec "$(dirname "$0")/../../tools/drill" --short --lines --jobs 3 fault control-killed
