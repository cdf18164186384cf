# Waits until nothing that went before holds memory of the GPUs that come to this program; plain POSIX sh. Set before it: devices (UUIDs
# with commas). A program of Signalbox that still ends has 30 s, memory that belongs to nobody any more 5 s; other people's programs are
# not waited for. Says how long it took where it took any time, to people and as a line of ours (runner/own_lines.py).

# Entries of a file with NULs between them, as lines.
lines_of() {
    tr '\0' '\n' <"$1" 2>/dev/null
}

ask_nvidia_smi() {
    timeout 10 nvidia-smi "$1" --format=csv,noheader,nounits 2>/dev/null
}

# What holds memory there: "ours" for a program of an attempt, "gone" for one that is no more, "other" for anybody else's.
holders() {
    ask_nvidia_smi --query-compute-apps=gpu_uuid,pid | while IFS=', ' read -r uuid pid rest; do
        case ",$devices," in *",$uuid,"*) ;; *) continue ;; esac
        case $pid in '' | *[!0-9]*) continue ;; esac
        # Whether it is gone is asked last: one that dies in between has no environment any more, and is nobody else's for that.
        if { lines_of "/proc/$pid/environ" | grep -q '^SIGNALBOX_ATTEMPT='; } 2>/dev/null; then
            echo ours
        elif [ ! -d "/proc/$pid" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$pid/status" 2>/dev/null; then
            echo gone
        else
            echo other
        fi
    done
}

# Memory in use, though no program is named: the driver still takes it back. What a display or the driver itself needs is below.
in_use() {
    ask_nvidia_smi --query-gpu=uuid,memory.used | while IFS=', ' read -r uuid used rest; do
        case ",$devices," in *",$uuid,"*) ;; *) continue ;; esac
        case $used in '' | *[!0-9]*) continue ;; esac
        if [ "$used" -gt 512 ]; then echo gone; fi
    done
}

say_waited() {
    echo "Signalbox waited $spent s$1"
    printf '{"signalbox": "result", "summary": {"memory_wait_s": %s, "memory_free": %s}}\n' "$spent" "$2"
}

await_free_devices() {
    command -v nvidia-smi >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1 || return 0
    began=$(date +%s)
    left_at=$began waited=
    while :; do
        found=$(holders)
        case $found in '') found=$(in_use) ;; esac
        now=$(date +%s)
        spent=$((now - began))
        case $found in
            *ours*) left_at=$now until=$((began + 30)) ;;
            *gone*) until=$((left_at + 5)) ;;
            *)
                if [ -n "$waited" ]; then say_waited " until the memory of its GPUs was free." true; fi
                return 0
                ;;
        esac
        if [ "$now" -ge "$until" ]; then
            say_waited ", and memory of its GPUs is still held by what ran there before; it starts all the same." false
            return 0
        fi
        waited=yes
        sleep 0.2 2>/dev/null || sleep 1
    done
}

await_free_devices
