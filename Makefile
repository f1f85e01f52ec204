# tare: `make` builds build/tare; `make demo`, `make test`, `make lint`, `make bench`, `make install`.
# The lists below are the table of contents. `./configure` is optional: it writes config.mk.
VERSION := 0.1.0
-include config.mk
O ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
# Libraries that are linked into the program: starting it then costs no dynamic loading (docs/PERFORMANCE.md).
STATIC ?= 1
PKGS := libfyaml libarchive libcrypto sqlite3 libseccomp jansson libzstd
PKG_CFLAGS ?= $(shell pkg-config --cflags $(PKGS))
LIBS_STATIC := -lfyaml -larchive -lbz2 -llzma -lz -lzstd -llz4 -lcrypto -lsqlite3 -lseccomp -ljansson
PKG_LIBS ?= $(if $(filter 1,$(STATIC)),-Wl$(comma)-Bstatic $(LIBS_STATIC) -Wl$(comma)-Bdynamic -lm -ldl,$(shell pkg-config --libs $(PKGS)))
comma := ,
WARN := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2

base    := arena clock err event fault fs hash isal proc str stream task unzip util zip
image   := config config_json descriptor digest manifest media passwd platform ref
parser  := ast check diag directive dockerfile dotenv expand flags flags_chmod flags_mount glob heredoc ignore instr json lex parse pattern source toml words
cache   := archive blob builds db df diff erofs erofs_mount erofs_plan erofs_tree erofs_write extract gc gc_rows hash_pipe images keys layer layer_form layer_tar lease listing names overlay pin scan schema seal set snapshot split statcache store tar_pax tar_read tar_write treehash treewalk unpack usage whiteout sketch sketch_entry sketch_reduce sketch_write packed mounted
registry := answer archive archive_write auth certs challenge client copy creds creds_store curl docker explain header helper hop hop_tls hosts hosts_toml http layout local members proxy realm retry rules scope token trace url zone download fetch pull remote upload upload_session wire push ends layout_wire serve serve_answer serve_request
runtime :=
runtime/sandbox := embed host join mounts planner sandbox spec stub caps filter profile seccomp cgroup cgroup_find userns tty ns probe idmap freeze limits hooks
runtime/container := container names record volume volume_mount change control eventlog logfile monitor monitor_client monitor_loop monitor_stream restart detach jsontext logread health net_record network skim cdi devices gpu gpu_request cdi_check cdi_edits cdi_parse joined
runtime/network := addr bridge dns dns_forward dns_msg endpoint hosts ipam link link_bridge loop net netdef netlink nft nft_msg plug ports proxy resolv rules
builder := commit copy copy_dest copy_match copy_tree export graph key lower lower_files lower_meta op_copy op_image op_run result run_mounts scope solve users why work run_devices
engine  := build build_context build_report image container login run run_io run_mount run_env run_record run_spec run_volume images import transfer exec filter volume attach control create start logs copy tar_pipe tree pull health run_health wait run_net image_tree run_mount_json run_mount_opt run_limits network update events diff processes stats top commit run_device push image_copy sweep run_join prune
cli     := cmd_build cmd_complete cmd_debug cmd_df cmd_gc cmd_login cmd_mirror cmd_ps cmd_rm cmd_run cmd_why format jsonl opt plain progress session table template template_funcs template_run tree cmd_history cmd_images cmd_inspect cmd_tag cmd_transfer image_json cmd_info cmd_exec cmd_volume show cmd_container cmd_logs run_opts cmd_cp cmd_pull cmd_image cmd_network cmd_port inspect_container cmd_update cmd_container_prune cmd_events cmd_stats cmd_commit cmd_cdi cmd_push cmd_copy cmd_remote cmd_serve cmd_prune
tests/unit := main zip arena clock config digest fs manifest passwd ref str task tmp_store db store caps cgroup seccomp blob lease images keys userns gc template dockerfile expand flags ignore words why erofs erofs_image erofs_kit erofs_mount erofs_tree net container run_args sandbox tmp_tree layer tar treehash copy url http_text token toml hosts netpure lifecycle cdi
ROOMS   := base image parser cache registry runtime runtime/sandbox runtime/container runtime/network builder engine cli

src   = $(foreach r,$(1),$(addprefix $(r)/,$($(r))))
LIB  := $(patsubst %,$(O)/%.o,$(call src,$(ROOMS)))
UNIT := $(patsubst %,$(O)/%.o,$(call src,tests/unit))
CC_  := $(CC) -std=gnu17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -I. $(WARN) $(if $(WERROR),-Werror) $(PKG_CFLAGS) \
        $(CPPFLAGS) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) $(if $(COVER),--coverage)
Q := $(if $(V),,@)

all: $(O)/tare
$(O)/tare:   $(O)/cli/main.o $(O)/tare.a ; $(Q)$(CC_) $(LDFLAGS) $^ $(PKG_LIBS) -lpthread -o $@
$(O)/units:  $(UNIT) $(O)/tare.a         ; $(Q)$(CC_) $(LDFLAGS) $^ $(PKG_LIBS) -lcmocka -lpthread -o $@
$(O)/tare.a: $(LIB)                      ; $(Q)rm -f $@ && $(AR) rcs $@ $^
$(O)/%.o: %.c $(O)/flags ; $(Q)mkdir -p $(@D) && $(CC_) -MMD -MP -c $< -o $@
$(O)/flags: FORCE ; @mkdir -p $(@D); echo '$(subst ','\'',$(CC_))' | cmp -s - $@ || echo '$(subst ','\'',$(CC_))' >$@
# The sandbox's child side: a static program of its own (musl makes it 12 times smaller and faster to start), embedded as bytes.
INIT := $(addprefix runtime/sandbox/,init init_hook init_exec init_join init_keep init_mount)
INIT_CC ?= $(if $(shell command -v musl-gcc),musl-gcc -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch),$(CC))
$(O)/init: $(INIT:=.c) runtime/sandbox/init.h runtime/sandbox/plan.h $(O)/flags
	$(Q)$(INIT_CC) -std=gnu17 -D_GNU_SOURCE -I. $(WARN) $(if $(WERROR),-Werror) -Os -static -no-pie -s $(INIT:=.c) -o $@
$(O)/runtime/sandbox/embed.o: runtime/sandbox/embed.S $(O)/init ; $(Q)mkdir -p $(@D) && $(CC) -c -DINIT_PROGRAM='"$(O)/init"' $< -o $@
-include $(LIB:.o=.d) $(UNIT:.o=.d) $(O)/cli/main.d

# Tests. ARGS goes to pytest: make check ARGS="-k why".
check: units e2e
units: $(O)/units ; $(O)/units
e2e: $(O)/tare ; TARE=$(abspath $(O)/tare) tools/pytest -q tests/e2e $(ARGS)
lint: $(O)/tare $(O)/units ; tests/lint/run $(O)
test: ; tools/packages build run test && $(MAKE) --no-print-directory -j$$(nproc) all $(O)/units && $(MAKE) --no-print-directory -k lint units e2e
demo: ; tools/packages build run && $(MAKE) --no-print-directory all && tools/demo $(O)

# Flavours, each in a build directory of its own. A finding ends the program with 99, which no test expects.
FLAVOUR = +ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1 \
          TSAN_OPTIONS=exitcode=99 TARE_TEST_SLOW=4 $(MAKE) --no-print-directory STATIC=0
asan:    ; $(FLAVOUR) O=build/asan SAN=address,undefined check
tsan:    ; $(FLAVOUR) O=build/tsan SAN=thread check
cover:   ; $(FLAVOUR) O=build/cover COVER=1 CFLAGS="-O0 -g" check && tools/cover build/cover
analyze: ; $(MAKE) --no-print-directory O=build/analyze CC="gcc -fanalyzer" build/analyze/tare.a
fuzz:    ; tools/packages build fuzz && tests/fuzz/run build/fuzz $(ARGS)
bench:   ; tools/packages build run bench && $(MAKE) --no-print-directory all && tests/bench/run $(O) $(ARGS)
soak:    $(O)/tare
	export TARE=$(abspath $(O)/tare) TARE_SOAK_MB=$${TARE_SOAK_MB:-1024} TARE_KILL_ROUNDS=$${TARE_KILL_ROUNDS:-200}; tests/bench/soak $(ARGS) && \
	tools/pytest -q tests/e2e/registry/test_reg_soak.py && tools/pytest -q tests/e2e/containers/test_monitor.py -k random

# mode:source:target below $(DESTDIR)$(PREFIX)
INSTALL := 755:$(O)/tare:bin/tare 644:$(O)/tare.1:share/man/man1/tare.1 \
           644:tools/completion/tare.bash:share/bash-completion/completions/tare \
           644:tools/completion/_tare:share/zsh/site-functions/_tare \
           644:tools/completion/tare.fish:share/fish/vendor_completions.d/tare.fish \
           644:$(O)/tare-boot.service:lib/systemd/system/tare-boot.service
$(O)/tare.1: $(O)/tare ; $(Q)$(O)/tare __man >$@.part && mv $@.part $@
$(O)/tare-boot.service: tools/tare-boot.service FORCE ; $(Q)mkdir -p $(@D) && sed 's|@PREFIX@|$(PREFIX)|' $< >$@
install: all $(O)/tare.1 $(O)/tare-boot.service ; tools/install "$(DESTDIR)$(PREFIX)" $(INSTALL)
uninstall: ; tools/install -r "$(DESTDIR)$(PREFIX)" $(INSTALL)
dist: ; mkdir -p $(O) && git archive --prefix=tare-$(VERSION)/ HEAD | gzip -9n >$(O)/tare-$(VERSION).tar.gz
distcheck: dist ; tools/distcheck $(O)/tare-$(VERSION).tar.gz $(VERSION)

clean: ; rm -rf $(O)
FORCE:
.PHONY: all check units e2e lint test demo asan tsan cover analyze fuzz bench soak install uninstall dist distcheck clean FORCE
