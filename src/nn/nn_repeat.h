/* nn_repeat.h: unrolls what a kernel does for each row of its tile, because compilers do not keep arrays in
 * registers. */
#ifndef RAP_NN_NN_REPEAT_H
#define RAP_NN_NN_REPEAT_H

/* X(0) X(1) …, one per row of a tile. */
#define FOR_1(X) X(0)
#define FOR_2(X) FOR_1(X) X(1)
#define FOR_3(X) FOR_2(X) X(2)
#define FOR_4(X) FOR_3(X) X(3)
#define FOR_5(X) FOR_4(X) X(4)
#define FOR_6(X) FOR_5(X) X(5)
#define FOR_7(X) FOR_6(X) X(6)
#define FOR_8(X) FOR_7(X) X(7)
#define FOR_9(X) FOR_8(X) X(8)
#define FOR_10(X) FOR_9(X) X(9)
#define FOR_11(X) FOR_10(X) X(10)
#define FOR_12(X) FOR_11(X) X(11)

#define NN_PASTE(a, b) a##b
/* FOR_n where n is a macro. */
#define NN_FOR(n, X) NN_PASTE(FOR_, n)(X)

#endif
