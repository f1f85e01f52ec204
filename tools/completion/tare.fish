# SPDX-License-Identifier: Apache-2.0
# fish completion for tare: the program itself knows its words.
function __tare_words
	set -l words (commandline -opc) (commandline -ct)
	tare __complete $words[2..-1] 2>/dev/null
end
complete -c tare -a '(__tare_words)'
