#!/usr/bin/env bash
# Sees to the programs that some test layers need from the system: Chromium, Node.js, Graphviz. Installs them where
# that is allowed (root, apt), else says what to install; scripts/test.py then reports those layers as not run.
set -uo pipefail
missing=()
[ -n "${NBFLOW_CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null ||
  missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v dot >/dev/null || missing+=(graphviz)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing through apt: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=120 update -qq
  apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
cat >&2 <<END
********************************************************************************
  NOT INSTALLED: ${missing[*]}
  The test layers that need them will NOT RUN. On Debian and Ubuntu:
      sudo apt-get install ${missing[*]}
  A browser elsewhere: NBFLOW_CHROMIUM=/path/to/chrome make test
********************************************************************************
END
