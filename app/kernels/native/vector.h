/* A vector of floats as wide as the instruction set has it, and the functions that gates need. */
#include <string.h>

#if defined(AVX512)
#include <immintrin.h>
enum { LANES = 16, REGISTERS = 32 };
typedef __m512 native;
#define INTRINSIC(name) _mm512_##name
#define ESTIMATE_RECIPROCAL _mm512_rcp14_ps
#elif defined(AVX512_HALF)
#include <immintrin.h>
enum { LANES = 8, REGISTERS = 32 };
typedef __m256 native;
#define INTRINSIC(name) _mm256_##name
#define ESTIMATE_RECIPROCAL _mm256_rcp14_ps
#elif defined(AVX2)
#include <immintrin.h>
enum { LANES = 8, REGISTERS = 16 };
typedef __m256 native;
#define INTRINSIC(name) _mm256_##name
#define ESTIMATE_RECIPROCAL _mm256_rcp_ps
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

#ifdef INTRINSIC
#define VECTOR_MIN(a, b) ((vector)INTRINSIC(min_ps)((native)(a), (native)(b)))
#define VECTOR_MAX(a, b) ((vector)INTRINSIC(max_ps)((native)(a), (native)(b)))
#else
ALWAYS_INLINE vector choose(integers mask, vector yes, vector no) {
    return (vector)((mask & (integers)yes) | (~mask & (integers)no));
}
#define VECTOR_MIN(a, b) choose((a) < (b), (a), (b))
#define VECTOR_MAX(a, b) choose((a) > (b), (a), (b))
#endif

/* 1 / x, to 2 ulp: an estimate and one step of Newton's method. */
ALWAYS_INLINE vector reciprocal(vector x) {
#ifdef INTRINSIC
    vector estimate = (vector)ESTIMATE_RECIPROCAL((native)x);
    return estimate * (2.0f - x * estimate);
#else
    return 1.0f / x;
#endif
}

/* Beyond +-43 an exponential is as there: no gate can tell, and the product of two has a
 * reciprocal. */
#define EXPONENT_LIMIT 43.0f
#define LOG2_E 1.44269504f

/* e^(factor x), to 2 ulp of what it is at 0 and less exact where it is too small or too large to
 * matter. 2^(n + f) with |f| <= 1/2: 2^f is a minimax polynomial and 2^n an exponent. */
ALWAYS_INLINE vector exponential(const float factor, vector x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: what is added to it is rounded to integers */
    const float limit = EXPONENT_LIMIT / (factor < 0.0f ? -factor : factor);
    x = VECTOR_MIN(VECTOR_MAX(x, broadcast(-limit)), broadcast(limit));
    vector shifted = x * (factor * LOG2_E) + shift;
    vector f = x * (factor * LOG2_E) - (shifted - shift);
    vector power = broadcast(0.00132647273f);
    power = power * f + 0.00967151299f;
    power = power * f + 0.0555073358f;
    power = power * f + 0.240222424f;
    power = power * f + 0.693147004f;
    power = power * f + 1.0f;
    return (vector)((integers)power + ((integers)shifted << 23));
}

ALWAYS_INLINE vector sigmoid(vector x) { return reciprocal(1.0f + exponential(-1.0f, x)); }
ALWAYS_INLINE vector hyperbolic_tangent(vector x) {
    return 1.0f - 2.0f * reciprocal(1.0f + exponential(2.0f, x));
}
