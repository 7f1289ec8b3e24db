#!/usr/bin/env bash
# A SLURM cluster of one node on this machine, in a folder of its own: nothing outside of it is read or written, and
# several can run side by side.
#
#   cluster.sh install          SLURM and munge, from the packages of Debian or Ubuntu; asks for root
#   cluster.sh start FOLDER     starts the daemons, as who calls it, and prints the path of slurm.conf
#   cluster.sh stop FOLDER      ends them
#
# Commands find the cluster with SLURM_CONF=FOLDER/slurm.conf and FOLDER/bin first on PATH. Jobs that take more memory
# than they asked for are killed.
#   NODE_CPUS=4   pretend to have as many CPUs
#   NODE_GPU=1    pretend to have a GPU
set -euo pipefail

install() {
    command -v slurmctld slurmd munged >/dev/null && return
    command -v apt-get >/dev/null || { echo "error: found no apt-get; install SLURM and munge yourself" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || { echo "error: installing SLURM takes root" >&2; exit 1; }
    # No daemon of the packages is started: each folder has its own.
    local policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy; trap "rm -f $policy" EXIT; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge
}

configure() {
    local host cpus memory port gres=
    host=$(hostname -s)
    cpus=${NODE_CPUS:-$(nproc)}
    memory=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024 * 9 / 10))
    port=$((20000 + $$ % 20000 / 2 * 2))
    if [ -n "${NODE_GPU:-}" ]; then
        gres="Gres=gpu:1"
        echo "NodeName=$host Name=gpu File=/dev/null" > "$1/gres.conf"
    fi
    [ -s "$1/munge.key" ] || dd if=/dev/urandom of="$1/munge.key" bs=1024 count=1 status=none
    chmod 400 "$1/munge.key"
    cat > "$1/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$1/munge.sock,cred_expire=10
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.pid
SlurmdSpoolDir=$1/slurmd
StateSaveLocation=$1/slurmctld
SlurmctldLogFile=$1/slurmctld.log
SlurmdLogFile=$1/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
${gres:+GresTypes=gpu}
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory $gres State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
}

wait_for() {  # WHAT COMMAND...: until the command succeeds, half a minute at most
    local what=$1
    shift
    for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
    echo "error: $what does not answer; see the logs beside slurm.conf" >&2
    exit 1
}

start() {
    export PATH=$PATH:/usr/sbin SLURM_CONF=$1/slurm.conf
    mkdir -p "$1/bin" "$1/slurmd" "$1/slurmctld"
    configure "$1"
    munged --force --key-file="$1/munge.key" --socket="$1/munge.sock" --pid-file="$1/munged.pid" \
        --log-file="$1/munged.log" --seed-file="$1/munged.seed" 2>/dev/null
    wait_for munged munge --no-input --socket="$1/munge.sock"
    slurmctld
    wait_for slurmctld sinfo
    slurmd
    wait_for slurmd is_idle
    # Inside of jobs Snakemake's plugin takes all SLURM_ variables from the environment of srun, SLURM_CONF too.
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" > "$1/bin/srun"
    chmod +x "$1/bin/srun"
    echo "$SLURM_CONF"
}

is_idle() {
    [ "$(sinfo -h -o %t)" = idle ]
}

stop() {
    local name pid
    export SLURM_CONF=$1/slurm.conf
    scancel --user="$(id -un)" 2>/dev/null || true
    for name in slurmd slurmctld munged; do
        [ -s "$1/$name.pid" ] || continue
        pid=$(cat "$1/$name.pid")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
}

case "${1:-}:$#" in
    install:1) install ;;
    start:2 | stop:2) "$1" "$(realpath -m "$2")" ;;
    *) sed -n '2,12s/^# \?//p' "$0" >&2; exit 2 ;;
esac
