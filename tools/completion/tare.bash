# SPDX-License-Identifier: Apache-2.0
# bash completion for tare: the program itself knows its words.
_tare() {
	local IFS=$'\n'
	COMPREPLY=($(tare __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
	[ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _tare tare
