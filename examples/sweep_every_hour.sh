#!/usr/bin/env bash
# Create a schedule that starts a sweep every hour: examples/sweep_every_hour.sh STATE_MACHINE_ARN ROLE_ARN
# The role must trust scheduler.amazonaws.com and allow states:StartExecution on the state machine.
set -euo pipefail
usage="usage: examples/sweep_every_hour.sh STATE_MACHINE_ARN ROLE_ARN"
state_machine=${1:?$usage} role=${2:?$usage}

aws scheduler create-schedule --name discovery-exports-sweep --schedule-expression 'rate(1 hour)' \
  --flexible-time-window '{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10}' \
  --target "{\"Arn\": \"$state_machine\", \"RoleArn\": \"$role\", \"Input\": \"{}\"}"
