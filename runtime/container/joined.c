/* SPDX-License-Identifier: Apache-2.0 */
/* Another container by its files alone. */
#include "runtime/container/joined.h"

#include <fcntl.h>

#include "base/fs.h"
#include "runtime/container/record.h"

#define FILE_MAX ((size_t)4 << 20)

static int file(const char *store, const char *id, const char *name, struct buf *ret)
{
	auto_free char *path = xasprintf("%s/containers/%s/%s", store, id, name);
	auto_err struct err ignored = { 0 };

	return fs_read(AT_FDCWD, path, FILE_MAX, ret, &ignored);
}

int joined_process(const char *store, const char *id, struct process *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	struct container_state st = { 0 };
	bool is = file(store, id, "state.json", &text) == 0 && record_state_parse(buf_view(&text), &st) == 0 && st.pid > 0;
	int r = is ? process_open(st.pid, st.pid_start, ret, e) : -1;

	free(st.error);
	if (is && r < 0 && e->kind != ERR_NOT_FOUND)
		return -1;
	if (r == 0)
		return 0;
	err_clear(e);
	return err_set(e, ERR_CONFLICT, "container %s is not running", id);
}

char *joined_ipc_mode(const char *store, const char *id)
{
	auto_buf struct buf text = { 0 };
	json_t *config = NULL;
	const char *mode = NULL;
	char *ret;

	if (file(store, id, "config.json", &text) == 0)
		config = json_loadb(text.p, text.n, 0, NULL);
	mode = json_string_value(json_object_get(json_object_get(config, "HostConfig"), "IpcMode"));
	ret = xstrdup(mode ? mode : "");
	json_decref(config);
	return ret;
}
