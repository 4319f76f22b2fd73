/* Linear layers with their activations over a tile: L candidates in lanes, one channel a row. */

ALWAYS_INLINE vector activated(const int activation, const struct layer *layer, int o, vector x) {
    switch (activation) {
    case RELU: return VECTOR_MAX(x, broadcast(0.0f));
    case SIGMOID: return sigmoid(x);
    case TANH: return hyperbolic_tangent(x);
    case PRELU:
        return multiply_add(broadcast(layer->slope[o]), VECTOR_MIN(x, broadcast(0.0f)),
                            VECTOR_MAX(x, broadcast(0.0f)));
    case DICE: {
        vector p = sigmoid(
            multiply_add(x, broadcast(layer->scale[o]), broadcast(layer->shift[o])));
        const float slope = layer->slope[o];
        return x * multiply_add(p, broadcast(1.0f - slope), broadcast(slope));
    }
    default: return x;
    }
}

/* A loop for each activation: none chooses anew at every value, and constants stay in registers. */
static void activate(const struct layer *layer, int vectors, float *x) {
#define ALL_VALUES_OF(activation)                                                                  \
    case activation:                                                                               \
        for (int o = 0; o < layer->outputs; o++)                                                   \
            for (int v = 0; v < vectors; v++, x += LANES)                                          \
                store(x, activated(activation, layer, o, load(x)));                                \
        break;
    switch (layer->activation) {
        ALL_VALUES_OF(RELU)
        ALL_VALUES_OF(SIGMOID)
        ALL_VALUES_OF(TANH)
        ALL_VALUES_OF(PRELU)
        ALL_VALUES_OF(DICE)
    default: break;
    }
#undef ALL_VALUES_OF
}

static void run_layer(const struct layer *layer, int vectors, const float *x, struct start start,
                      float *out) {
    weigh_candidates(vectors, layer->outputs, layer->inputs, layer->weight, x, start, out);
    activate(layer, vectors, out);
}

/* All layers; the first begins with `start`, the others with their biases. The result is where the
 * last one left it, in one of the two buffers. */
static const float *run_layers(const struct layer *layers, int count, int vectors, const float *x,
                               struct start start, float *buffers[2]) {
    for (int i = 0; i < count; i++) {
        float *out = buffers[i % 2];
        run_layer(&layers[i], vectors, x, i ? (struct start){.of_row = layers[i].bias} : start, out);
        x = out;
    }
    return x;
}
