#!/bin/sh
# A test program as one has it: it asks from outside and leaves a report.
set -eu
mkdir -p reports
curl -fsS "http://localhost:$DEVRUN_PORT_WEB/" >/dev/null
cat >reports/smoke.xml <<'XML'
<testsuite name="smoke" tests="1" failures="0" errors="0">
  <testcase name="the page is served" classname="smoke"/>
</testsuite>
XML
