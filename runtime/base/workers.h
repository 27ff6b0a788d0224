// Room: base. Fork-join over the caller's workers. Touches only its arguments.
#ifndef CLLM_BASE_WORKERS_H_
#define CLLM_BASE_WORKERS_H_

#include <cstdint>

#include "base/features.h"
#include "cllm/cllm.h"

namespace cllm {

// Calls body(i) once for each i in [0, tasks). Without workers the calling thread does all of them; debug
// builds then count backwards, to catch a body that relies on an order.
template <class Body>
void ParallelFor(const cllm_workers* workers, uint32_t tasks, const Body& body) {
  if (kHasWorkers && workers != nullptr && workers->count > 1 && tasks > 1) {
    workers->run(
        workers->self, [](void* context, uint32_t i) { (*static_cast<const Body*>(context))(i); },
        const_cast<Body*>(&body), tasks);
    return;
  }
#ifdef NDEBUG
  for (uint32_t i = 0; i < tasks; ++i) body(i);
#else
  for (uint32_t i = tasks; i-- > 0;) body(i);
#endif
}

}  // namespace cllm

#endif  // CLLM_BASE_WORKERS_H_
