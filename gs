#!/usr/bin/env bash
# gs: builds and runs everything of GatewaySecure from the tree. `./gs` alone says how.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false

usage() {
    cat <<'EOF'
GatewaySecure: a mail gateway that protects by domain rules, with S/MIME or with your own KDC.

  ./gs demo [--once]                     a guided tour on this machine; --once ends by itself
  ./gs run [--config FILE] [--state DIR] the gateway for real use
  ./gs test [NAME-FILTER]                every test, or those of projects whose name holds NAME-FILTER
  ./gs bench [NAME] [--quick] [--json F] measures: relay, smime (against rivals), memory

  ./gs gateway ARGS…                     the gateway's tool: policy, queue, audit, user, smime
  ./gs kdc ARGS…                         the KDC as a server of its own, and its tool
  ./gs cardmail ARGS…                    opens protected mail with a card
  ./gs cardstation ARGS…                 issues cards

Examples:
  ./gs demo --once
  ./gs run --config config/gateway.sample.yaml --state var/trial
  ./gs gateway policy explain --config config/gateway.sample.yaml --from alice@example.org --to bob@example.org --subject Hello
  ./gs test Smtp
EOF
}

say() { printf '%s\n' "$*" >&2; }

need_dotnet() {
    command -v dotnet >/dev/null || { say "The .NET SDK 10 is needed: install the package dotnet-sdk-10.0, then try again."; exit 1; }
}

# build PROJECT-OR-SOLUTION…: Release, quiet; the whole output is shown where it fails.
build() {
    need_dotnet
    local log
    log=$(mktemp)
    for what in "$@"; do
        if ! dotnet build "$what" -c Release -v quiet -nologo >"$log" 2>&1; then
            grep -E 'error|warning' "$log" | sort -u >&2 || cat "$log" >&2
            rm -f "$log"
            say "The build of $what failed."
            exit 1
        fi
    done
    rm -f "$log"
}

# tool PROJECT EXECUTABLE ARGS…
tool() {
    local project=$1 name=$2
    shift 2
    build "src/$project"
    exec "artifacts/bin/$project/release/$name" "$@"
}

# Installs the Debian packages that are missing, and says which.
need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "Installing from Debian: ${missing[*]}"
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    # Services are started by the tests themselves, privately; the packages must not start theirs.
    local log
    log=$(mktemp)
    if ! { "${sudo[@]}" apt-get update && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        say "Could not install: ${missing[*]}"
        exit 1
    fi
    rm -f "$log"
}

# Exim for the tests, beside the build and never installed: its package and Postfix's exclude each other.
need_exim() {
    need_packages adduser libgnutls-dane0 libidn12 libidn2-0 libnsl2 libpcre2-8-0 libdb5.3
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    # Its program wants the account that its package would have made.
    id -u Debian-exim >/dev/null 2>&1 ||
        "${sudo[@]}" adduser --system --group --quiet --no-create-home --home /nonexistent --force-badname Debian-exim
    [ -x /usr/sbin/exim4 ] || [ -x artifacts/exim4/usr/sbin/exim4 ] && return
    local folder
    folder=$(mktemp -d)
    mkdir -p artifacts
    if ! (cd "$folder" && apt-get download exim4-daemon-light) >"$folder/log" 2>&1 ||
        ! dpkg-deb -x "$folder"/exim4-daemon-light_*.deb artifacts/exim4; then
        cat "$folder/log" >&2
        say "Could not fetch exim4-daemon-light."
        exit 1
    fi
    rm -rf "$folder"
}

run_tests() {
    local filter=${1:-} passed=0 failed=0 skipped=0 broken=0
    need_packages knot unbound clamav-daemon clamav-milter opendkim opendkim-tools python3-authres python3-dkim python3-dnspython python3-milter \
        python3-nacl python3-spf postfix swaks haproxy nginx-light libnginx-mod-mail libnet-ssleay-perl opensc opensc-pkcs11 yubico-piv-tool pcscd libpcsclite1 vsmartcard-vpcd gnupg gnupg-agent scdaemon \
        slapd ldap-utils softhsm2 libgfshare-bin spin gcc libc6-dev strace tnef openssl python3 python3-cryptography iproute2 procps
    need_exim
    build GatewaySecure.sln
    local output
    output=$(mktemp)
    for project in tests/*.Tests; do
        local name
        name=$(basename "$project")
        [[ -z $filter || ${name,,} == *"${filter,,}"* ]] || continue
        printf '== %s\n' "$name"
        local status=0
        "artifacts/bin/$name/release/GatewaySecure.$name" --no-ansi --progress off --show-live-output off >"$output" 2>&1 </dev/null || status=$?
        local counts
        counts=$(awk '/^ *(total|failed|succeeded|skipped): [0-9]+/ { sub(":", "", $1); n[$1] = $2 } END { printf "%d %d %d %d", n["total"], n["succeeded"], n["failed"], n["skipped"] }' "$output")
        local total ok bad skip
        read -r total ok bad skip <<<"$counts"
        passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
        # A host that dies without counting is a failure too.
        if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$total" -eq 0 ]; then
            broken=$((broken + 1))
        fi
        if [ "$status" -ne 0 ] || [ "$total" -eq 0 ]; then cat "$output"; else grep -E '^ *skipped .' "$output" || true; fi
        printf '   %d passed, %d failed, %d skipped\n' "$ok" "$bad" "$skip"
    done
    rm -f "$output"
    failed=$((failed + broken))
    if [ $((passed + failed + skipped)) -eq 0 ]; then
        say "No test project matches '$filter'."
        exit 2
    fi
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}

run_bench() {
    need_packages krb5-kdc krb5-admin-server softhsm2 postfix libssl-dev gcc libc6-dev openssl
    build src/Gateway bench/Bench
    exec artifacts/bin/Bench/release/bench "$@"
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
demo) tool Demo demo "$@" ;;
run) tool Gateway gateway run "$@" ;;
test) run_tests "$@" ;;
bench) run_bench "$@" ;;
gateway) tool Gateway gateway "$@" ;;
kdc) tool KdcServer kdc "$@" ;;
cardmail) tool CardClient cardmail "$@" ;;
cardstation) tool CardEnrollment cardstation "$@" ;;
'' | -h | --help | help) usage ;;
*)
    say "Unknown command '$command'."
    usage >&2
    exit 2
    ;;
esac
