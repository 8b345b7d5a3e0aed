#!/bin/bash
# One task of a job array: runs the command in its line of a list, and is requeued when that was interrupted.
# A line of the list $1: file of the exit code, log and command, separated by tabs.
IFS=$'\t' read -r exit_file log command < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$1")
for name in OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS; do
  [ -n "${!name}" ] || export "$name=${SLURM_CPUS_PER_TASK:-1}"
done
task=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID} restarts=${SLURM_RESTART_COUNT:-0}
echo "--- $(date -u +%FT%TZ) task $task on ${SLURMD_NODENAME}, restart $restarts \$ $command" >>"$log"
rm -f "$exit_file"
eval "exec $command" >>"$log" 2>&1 </dev/null &
child=$!
trap 'kill -TERM "$child"' TERM # before the time limit: the command saves and ends
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do # the trap ends `wait` before the command ends
  wait "$child"
  code=$?
done
case $code in
130 | 143) most=1000 ;; # interrupted: the same command goes on where it was
137) most=20 ;;         # killed: perhaps it needs more memory than it gets
*) most=0 ;;
esac
if [ "$restarts" -lt "$most" ]; then
  scontrol requeue "$task" && sleep 60 # Slurm ends this script; if it refuses, the task goes without a word
else
  printf '%s\n' "$code" >"$exit_file.$$" && mv "$exit_file.$$" "$exit_file"
fi
exit "$code"
