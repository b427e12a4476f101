"""systemd/install.sh on this machine, under folders that only it sees: installed, used, installed again, taken away."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd" / "install.sh"
OVER = """
for folder in etc opt var/lib; do
    mkdir -p "$PLACE/$folder/upper" "$PLACE/$folder/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$PLACE/$folder/upper,workdir=$PLACE/$folder/work" "/$folder"
done
install=$1
$install
test "$(stat -c %U /var/lib/classifyd/config.toml)" = classifyd
echo '# the operator was here' >> /var/lib/classifyd/config.toml
echo 'Maria flew to Berlin.' > /var/lib/classifyd/inbox/messages/a.txt
chown classifyd: /var/lib/classifyd/inbox/messages/a.txt
runuser -u classifyd -- /opt/classifyd/bin/classifyd run --once --config /var/lib/classifyd/config.toml
$install
tail -n 1 /var/lib/classifyd/config.toml
test -L /etc/systemd/system/multi-user.target.wants/classifyd.service
$install uninstall
test ! -e /opt/classifyd -a ! -e /etc/systemd/system/classifyd.service
test ! -L /etc/systemd/system/multi-user.target.wants/classifyd.service
cat /var/lib/classifyd/labelled/messages/a.txt.jsonl
"""


def test_the_script_is_bash_and_says_what_it_takes() -> None:
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
    said = subprocess.run([SCRIPT, "remove"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (
        1,
        "install.sh: unknown word 'remove'; it takes install (the default) or uninstall\n",
    )


@pytest.mark.trial
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="a user, and mounts, need root")
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd is missing")
def test_it_is_installed_used_brought_up_to_date_and_taken_away(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-euxc", OVER, "bash", SCRIPT],
        env={**os.environ, "PLACE": str(tmp_path), "PYTHON": "/usr/bin/python3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# the operator was here" in done.stdout
    assert '"text": "Berlin"' in done.stdout
