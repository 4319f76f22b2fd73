/* Functions between BEGIN_TARGET and END_TARGET may use these instructions, with GCC and Clang. */
#define PRAGMA(text) _Pragma(#text)

#ifdef __clang__
#define BEGIN_TARGET(instructions)                                                                 \
    PRAGMA(clang attribute push(__attribute__((target(instructions))), apply_to = function))
#define END_TARGET PRAGMA(clang attribute pop)
#else
#define BEGIN_TARGET(instructions) PRAGMA(GCC target(instructions))
#define END_TARGET
#endif

#define AVX512_INSTRUCTIONS "avx512f,avx512vl,avx512bw,avx512dq,fma"
