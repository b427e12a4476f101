#!/bin/bash
# Install classifyd as a service of this machine, or take it away again. See docs/operate.md.
#
#     systemd/install.sh              install from this checkout, or bring an installation up to date
#     systemd/install.sh uninstall    remove the service and the program; what it holds and knows is kept
#
# Needs root, systemd 252, and Python 3.11 with venv (PYTHON names another than python3). It may be run again at any
# time: the configuration, the inboxes, the ledger and the models of an earlier installation are left as they are.
set -euo pipefail

PROGRAM=/opt/classifyd
STATE=/var/lib/classifyd
UNITS=/etc/systemd/system
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-python3}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}
booted() { [ -d /run/systemd/system ]; }

needs() {
    [ "$(id -u)" = 0 ] || fail "run it as root: it makes a user and writes to $PROGRAM, $STATE and /etc"
    command -v systemctl systemd-sysusers > /dev/null || fail "systemctl or systemd-sysusers is missing: this needs systemd 252"
    local version
    version=$(systemctl --version | awk 'NR == 1 {print int($2)}')
    [ "$version" -ge 252 ] || fail "systemd $version is too old for the unit's sandbox; 252 is needed"
}

install_all() {
    needs
    "$PYTHON" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON must be Python 3.11 or later with venv (on Debian: apt-get install python3-venv)"

    install -D -m 644 "$SOURCE/systemd/sysusers.d/classifyd.conf" /etc/sysusers.d/classifyd.conf
    systemd-sysusers /etc/sysusers.d/classifyd.conf

    [ -x "$PROGRAM/bin/python" ] || "$PYTHON" -m venv "$PROGRAM"
    runuser -u classifyd -- "$PROGRAM/bin/python" -c '' 2> /dev/null ||
        fail "the user classifyd cannot run $(command -v "$PYTHON"): name one outside home folders with PYTHON=, and remove $PROGRAM"
    pip() { "$PROGRAM/bin/pip" --quiet --disable-pip-version-check install -c "$SOURCE/constraints/serve.txt" "$@"; }
    pip pip
    pip --upgrade --build-constraint "$SOURCE/constraints/build.txt" "$SOURCE"

    if [ ! -e "$STATE/config.toml" ]; then
        "$PROGRAM/bin/classifyd" init "$STATE"
        chown -R classifyd: "$STATE"
    fi
    chmod 751 "$STATE"
    "$PROGRAM/bin/classifyd" config check --config "$STATE/config.toml" > /dev/null ||
        fail "$STATE/config.toml does not suit this version: mend it and run this again"

    install -m 644 "$SOURCE"/systemd/classifyd.service "$SOURCE"/systemd/classifyd@.service \
        "$SOURCE"/systemd/classifyd.socket "$UNITS/"
    if booted; then
        systemctl daemon-reload
        systemctl --quiet enable classifyd
        systemctl restart classifyd
        say "classifyd runs: systemctl status classifyd, journalctl -u classifyd"
    else
        systemctl --quiet enable classifyd
        say "classifyd will run at the next start of the machine: systemd does not run here now"
    fi
    say "its inboxes and its configuration, config.toml, are in $STATE"
}

uninstall() {
    needs
    if booted; then
        systemctl --quiet disable --now classifyd.service classifyd.socket || true
        systemctl --quiet stop 'classifyd@*.service' || true
    else
        systemctl --quiet disable classifyd.service || true
    fi
    rm -f "$UNITS"/classifyd.service "$UNITS"/classifyd@.service "$UNITS"/classifyd.socket
    if booted; then systemctl daemon-reload; fi
    rm -f /etc/sysusers.d/classifyd.conf
    rm -rf "$PROGRAM"
    say "classifyd is gone. Kept: $STATE (inboxes, outputs, ledger, models), drop-ins in $UNITS, and the user classifyd."
    say "To remove these, too: rm -r $STATE $UNITS/classifyd*.d; userdel classifyd; groupdel classifyd-senders"
}

case "${1:-install}" in
    install) install_all ;;
    uninstall) uninstall ;;
    *) fail "unknown word '$1'; it takes install (the default) or uninstall" ;;
esac
