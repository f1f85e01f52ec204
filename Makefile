# tare: `make` builds build/tare; `make demo`, `make test`, `make lint`, `make bench`, `make install`.
# The lists below are the table of contents. `./configure` is optional: it writes config.mk.
VERSION := 0.1.0
-include config.mk
O ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
# Libraries that are linked into the program: starting it then costs no dynamic loading (docs/PERFORMANCE.md).
STATIC ?= 1
PKGS := libarchive libcrypto sqlite3 libseccomp jansson libnl-route-3.0 libzstd
PKG_CFLAGS ?= $(shell pkg-config --cflags $(PKGS))
LIBS_STATIC := -larchive -lbz2 -llzma -lz -lzstd -llz4 -lcrypto -lsqlite3 -lseccomp -ljansson -lnl-route-3 -lnl-3
PKG_LIBS ?= $(if $(filter 1,$(STATIC)),-Wl$(comma)-Bstatic $(LIBS_STATIC) -Wl$(comma)-Bdynamic -lm -ldl,$(shell pkg-config --libs $(PKGS)))
comma := ,
WARN := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2

base    := arena clock err event fs hash str task util
image   := digest
parser  :=
cache   :=
registry :=
runtime :=
runtime/sandbox :=
runtime/container :=
runtime/network :=
builder :=
engine  :=
cli     := opt
tests/unit := main
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
-include $(LIB:.o=.d) $(UNIT:.o=.d) $(O)/cli/main.d

check: $(O)/tare $(O)/units ; $(O)/units && TARE=$(abspath $(O)/tare) python3 -m pytest -q tests/e2e

clean: ; rm -rf $(O)
FORCE:
.PHONY: all check clean FORCE
