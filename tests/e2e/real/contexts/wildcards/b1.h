b1.h
