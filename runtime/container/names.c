/* SPDX-License-Identifier: Apache-2.0 */
/* 64 adjectives times 64 things from land, sea and workshop. */
#include "runtime/container/names.h"

#include <stdio.h>

static const char *const adjectives[64] = {
	"agile", "amber", "ample", "apt", "balmy", "blithe", "bold", "brisk", "calm", "candid", "cheery", "clever",
	"cosy", "crisp", "deft", "earnest", "easy", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad",
	"golden", "grand", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid",
	"mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite",
	"prompt", "proud", "quick", "quiet", "ready", "robust", "serene", "sharp", "silent", "sober", "steady",
	"sturdy", "sunny", "swift", "tidy", "vivid", "witty",
};

static const char *const things[64] = {
	"acorn", "alder", "anchor", "anvil", "aspen", "badger", "barge", "beacon", "beech", "birch", "bobbin", "brook",
	"cedar", "chisel", "clover", "compass", "condor", "coral", "crane", "dolphin", "dune", "ember", "falcon",
	"fern", "fjord", "forge", "gannet", "glacier", "harbor", "hazel", "heron", "ibex", "island", "jackdaw",
	"juniper", "kestrel", "lagoon", "lantern", "larch", "lathe", "linden", "lynx", "maple", "marten", "meadow",
	"mortar", "oak", "orchard", "osprey", "otter", "pebble", "plover", "quarry", "raven", "reef", "rowan",
	"sailor", "shuttle", "sparrow", "spruce", "thistle", "tern", "walnut", "willow",
};

const char *names_make(uint32_t random, char ret[static NAMES_MAX])
{
	snprintf(ret, NAMES_MAX, "%s_%s", adjectives[random & 63], things[random >> 6 & 63]);
	return ret;
}
