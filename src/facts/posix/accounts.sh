# shellcheck shell=sh
# Names and numbers only: the rest of these files is nobody's business.
ask_users() {
  run users sed -e 's/^\([^:]*\):[^:]*:\([0-9][0-9]*\):.*/+\1:\2/' -e t -e 's/^/?/' /etc/passwd
}

ask_groups() {
  run groups sed -e 's/^\([^:]*\):[^:]*:\([0-9][0-9]*\):.*/+\1:\2/' -e t -e 's/^/?/' /etc/group
}
