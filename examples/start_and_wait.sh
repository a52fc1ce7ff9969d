#!/usr/bin/env bash
# Start an export and store it: examples/start_and_wait.sh STATE_MACHINE_ARN
set -euo pipefail
state_machine=${1:?usage: examples/start_and_wait.sh STATE_MACHINE_ARN}

# Start no export if the state machine does not exist.
aws stepfunctions describe-state-machine --state-machine-arn "$state_machine" --query name --output text >/dev/null

export_id=$(aws discovery start-export-task --query exportId --output text)
name=$export_id
[[ $name =~ ^[A-Za-z0-9_-]{1,80}$ ]] || name=sha256_$(printf %s "$export_id" | openssl dgst -sha256 -r | cut -d" " -f1)
run=$(aws stepfunctions start-execution --state-machine-arn "$state_machine" --name "$name" \
  --input "{\"exportIds\": [\"$export_id\"]}" --query executionArn --output text)

while status=$(aws stepfunctions describe-execution --execution-arn "$run" --query status --output text); [ "$status" = RUNNING ]; do
  sleep 5
done
aws stepfunctions describe-execution --execution-arn "$run" --query '[status, error, cause, output]' --output text
[ "$status" = SUCCEEDED ]
