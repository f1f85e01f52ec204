a1.h
