/* The functions that gates need.
 *
 * With y = x log2(e), e^x = 2^y = 2^n 2^f, where n is the nearest multiple of 1 / PARTS and the rest
 * is small enough for a minimax polynomial: of degree 5 for whole n, which is an exponent, and of
 * degree 2 where the 16 roots of two are a table in a register. */

#ifdef LOOK_UP
enum { PARTS = 16 };
static const float ROOTS_OF_TWO[16] = {
    1.0f,        1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f,
    1.29683959f, 1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f,
    1.68179286f, 1.75625217f, 1.8340081f,  1.91520655f,
};

/* 2^((n + f) / PARTS) for |f| <= 1/2; n is what the lowest bits hold. */
ALWAYS_INLINE vector power_of_two(integers n, vector f) {
    vector root = LOOK_UP(ROOTS_OF_TWO, n);
    return (vector)((integers)root + (n >> 4 << 23)) *
           (1.0f + f * (0.0433242321f + f * 0.000938384503f));
}
#else
enum { PARTS = 1 };

ALWAYS_INLINE vector power_of_two(integers n, vector f) {
    vector power = broadcast(0.00132647273f);
    power = power * f + 0.00967151299f;
    power = power * f + 0.0555073358f;
    power = power * f + 0.240222424f;
    power = power * f + 0.693147004f;
    power = power * f + 1.0f;
    return (vector)((integers)power + (n << 23));
}
#endif

/* Beyond +-25 as there: no gate can tell, and the exponentials of two gates leave room for states
 * that attention without softmax drives far out of their bounds. */
#define EXPONENT_LIMIT 25.0f

/* e^(factor x), to 5e-7 of it around 0, and less exact where it is too small or large to matter. */
ALWAYS_INLINE vector exponential(const float factor, vector x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: what is added to it is rounded to integers */
    const float scale = factor * 1.44269504f * PARTS;
    const float limit = EXPONENT_LIMIT / (factor < 0.0f ? -factor : factor);
    x = VECTOR_MIN(VECTOR_MAX(x, broadcast(-limit)), broadcast(limit));
    vector shifted = x * scale + shift;
    return power_of_two((integers)shifted, x * scale - (shifted - shift));
}

ALWAYS_INLINE vector sigmoid(vector x) { return reciprocal(1.0f + exponential(-1.0f, x)); }
ALWAYS_INLINE vector hyperbolic_tangent(vector x) {
    return 1.0f - 2.0f * reciprocal(1.0f + exponential(2.0f, x));
}
