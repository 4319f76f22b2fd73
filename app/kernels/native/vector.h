/* A vector of floats as wide as the instruction set has it, and the functions that gates need. */
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { LANES = 16, REGISTERS = 32 };
#define VECTOR_MIN(a, b) ((vector)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define VECTOR_MAX(a, b) ((vector)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define VECTOR_RECIPROCAL_ESTIMATE(a) ((vector)_mm512_rcp14_ps((__m512)(a)))
#elif defined(__AVX2__)
#include <immintrin.h>
enum { LANES = 8, REGISTERS = 16 };
#define VECTOR_MIN(a, b) ((vector)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define VECTOR_MAX(a, b) ((vector)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define VECTOR_RECIPROCAL_ESTIMATE(a) ((vector)_mm256_rcp_ps((__m256)(a)))
#else
enum { LANES = 4, REGISTERS = 16 };
#endif

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t integers __attribute__((vector_size(LANES * sizeof(float))));
typedef vector unaligned __attribute__((aligned(4), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vector load(const float *from) { return *(const unaligned *)from; }
ALWAYS_INLINE void store(float *to, vector x) { *(unaligned *)to = x; }
ALWAYS_INLINE vector broadcast(float x) { return x - (vector){0}; }

#ifndef VECTOR_MIN
ALWAYS_INLINE vector choose(integers mask, vector yes, vector no) {
    return (vector)((mask & (integers)yes) | (~mask & (integers)no));
}
#define VECTOR_MIN(a, b) choose((a) < (b), (a), (b))
#define VECTOR_MAX(a, b) choose((a) > (b), (a), (b))
#endif

/* 1 / x, to 2 ulp: an estimate and one step of Newton's method. */
ALWAYS_INLINE vector reciprocal(vector x) {
#ifdef VECTOR_RECIPROCAL_ESTIMATE
    vector estimate = VECTOR_RECIPROCAL_ESTIMATE(x);
    return estimate * (2.0f - x * estimate);
#else
    return 1.0f / x;
#endif
}

/* e^x to 2 ulp; beyond +-87 as at +-87, so that neither it nor its reciprocal overflows.
 * x = n ln 2 + f with |f| <= ln 2 / 2; e^f is a minimax polynomial and 2^n an exponent. */
ALWAYS_INLINE vector exponential(vector x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: what is added to it is rounded to integers */
    x = VECTOR_MIN(VECTOR_MAX(x, broadcast(-87.0f)), broadcast(87.0f));
    vector shifted = x * 1.44269504f + shift;
    vector n = shifted - shift;
    vector f = x - n * 0.693359375f;
    f = f + n * 2.12194440e-4f;
    vector power = broadcast(0.00829761947f);
    power = power * f + 0.0419156293f;
    power = power * f + 0.166675765f;
    power = power * f + 0.499988927f;
    power = power * f + 0.999999691f;
    power = power * f + 1.00000007f;
    return (vector)((integers)power + ((integers)shifted << 23));
}

ALWAYS_INLINE vector sigmoid(vector x) { return reciprocal(1.0f + exponential(-x)); }
ALWAYS_INLINE vector hyperbolic_tangent(vector x) {
    return 1.0f - 2.0f * reciprocal(1.0f + exponential(2.0f * x));
}
