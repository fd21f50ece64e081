#!/usr/bin/env bash
# The incident, five ways: a rule that rejects all of .co.uk (tools/drill has the full counts).
exec "$(dirname "$0")/../../tools/drill" --short --lines --jobs 3 incident
