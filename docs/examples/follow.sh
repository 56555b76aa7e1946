#!/bin/sh
# Prints the events of one workflow as JSON lines, from the first on, until the workflow ends. Needs curl, and no credential.
#
#     GATEWAY_URL=http://127.0.0.1:8080 sh follow.sh WORKFLOW
curl --silent --show-error --fail --no-buffer "$GATEWAY_URL/v1/workflows/$1/events" |
    sed --unbuffered --quiet 's/^data: \({"specversion".*\)/\1/p'
