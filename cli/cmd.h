/* SPDX-License-Identifier: Apache-2.0 */
/* Every command's descriptor; main.c lists them in the order of --help. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/opt.h"

/* cli/cmd_<name>.c defines each (keep sorted by name). */
extern const struct cmd cmd_build;
extern const struct cmd cmd_cdi_generate, cmd_cdi_list;
extern const struct cmd cmd_complete;
extern const struct cmd cmd_debug_ast, cmd_debug_expand, cmd_debug_ignore, cmd_debug_words;
extern const struct cmd cmd_commit, cmd_cp, cmd_diff, cmd_export, cmd_stats, cmd_top;
extern const struct cmd cmd_df;
extern const struct cmd cmd_exec;
extern const struct cmd cmd_gc;
extern const struct cmd cmd_history;
extern const struct cmd cmd_image_cat, cmd_image_ls, cmd_image_mount, cmd_image_umount;
extern const struct cmd cmd_images, cmd_import, cmd_inspect;
extern const struct cmd cmd_load;
extern const struct cmd cmd_login, cmd_logout;
extern const struct cmd cmd_man;
extern const struct cmd cmd_mirror_explain;
extern const struct cmd cmd_network_connect, cmd_network_create, cmd_network_disconnect, cmd_network_inspect,
	cmd_network_ls, cmd_network_prune, cmd_network_rm;
extern const struct cmd cmd_port;
extern const struct cmd cmd_ps;
extern const struct cmd cmd_pull, cmd_push, cmd_copy, cmd_tags, cmd_digest, cmd_manifest_inspect;
extern const struct cmd cmd_serve_registry;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_rmi;
extern const struct cmd cmd_run, cmd_create;
extern const struct cmd cmd_start, cmd_stop, cmd_restart, cmd_kill, cmd_wait, cmd_attach, cmd_rename;
extern const struct cmd cmd_pause, cmd_unpause, cmd_update;
extern const struct cmd cmd_container_prune, cmd_events;
extern const struct cmd cmd_image_prune, cmd_system_prune;
extern const struct cmd cmd_logs;
extern const struct cmd cmd_save, cmd_tag;
extern const struct cmd cmd_info;
extern const struct cmd cmd_version;
extern const struct cmd cmd_volume_create, cmd_volume_inspect, cmd_volume_ls, cmd_volume_prune, cmd_volume_rm;
extern const struct cmd cmd_why;

#endif
