cc.c
