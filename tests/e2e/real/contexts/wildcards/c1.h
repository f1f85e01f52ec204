c1.h
