/* limits.h: how large what a person puts in may be, in bytes, and the longest vector. */
#ifndef RAP_REMEMBER_LIMITS_H
#define RAP_REMEMBER_LIMITS_H

#define STORE_MAX_NAME 128
#define STORE_MAX_INFO (64u << 10)
#define STORE_MAX_PICTURE (64u << 20)
#define STORE_MAX_DIM 65536

#endif
