#!/usr/bin/env bash
# Rules change and come back under load: nothing lost, nothing mixed.
exec "$(dirname "$0")/../../tools/drill" --short --lines --jobs 1 swaps trips
