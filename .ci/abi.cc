// The part of V8's interface that the crate calls, declared as in its headers, so that
// a C++ compiler can tell the symbols, layouts and vtable slots of each target.

using size_t = __SIZE_TYPE__;
using uint64_t = __UINT64_TYPE__;
using uint32_t = __UINT32_TYPE__;

namespace std {
template <class T>
class vector {
  T *begin_, *end_, *capacity_;
};
}  // namespace std

namespace v8 {

namespace internal {
class FlagList {
 public:
  static bool IsFrozen();
};

// Of V8 15.2; 15.0 has a `const char* name_` behind the type.
struct Flag {
  enum FlagType { TYPE_BOOL };
  FlagType type_;
  void* valptr_;
  const void* defptr_;
};
Flag* FindFlagByName(const char* name);
}  // namespace internal

template <class T>
class Local {
 public:
  T* slot;
};
class String;

class AllocationProfile {
 public:
  struct Allocation {
    size_t size;
    unsigned int count;
  };
  struct Node {
    Local<String> name;
    Local<String> script_name;
    int script_id;
    int start_position;
    int line_number;
    int column_number;
    uint32_t node_id;
    std::vector<Node*> children;
    std::vector<Allocation> allocations;
  };
  struct Sample {
    uint32_t node_id;
    size_t size;
    unsigned int count;
    uint64_t sample_id;
    bool is_live;
  };
  virtual Node* GetRootNode() = 0;
  virtual const std::vector<Sample>& GetSamples() = 0;
  virtual ~AllocationProfile() = default;
};

class HeapProfiler {
 public:
  enum SamplingFlags { kSamplingNoFlags = 0, kSamplingForceGC = 1 << 0 };
  bool StartSamplingHeapProfiler(uint64_t sample_interval, int stack_depth, SamplingFlags flags);
  void StopSamplingHeapProfiler();
  void StartTrackingHeapObjects(bool track_allocations);
  void StopTrackingHeapObjects();
  AllocationProfile* GetAllocationProfile();
};

class Isolate {
 public:
  static Isolate* TryGetCurrent();
  HeapProfiler* GetHeapProfiler();
  void AutomaticallyRestoreInitialHeapLimit(double threshold_percent);
  class AllowJavascriptExecutionScope {
   public:
    explicit AllowJavascriptExecutionScope(Isolate* isolate);
    ~AllowJavascriptExecutionScope();
    Isolate* const v8_isolate_;
    bool was_execution_allowed_assert_;
    bool was_execution_allowed_throws_;
    bool was_execution_allowed_dump_;
  };
};

}  // namespace v8

using Profile = v8::AllocationProfile;
#define AT(type, member, offset) static_assert(__builtin_offsetof(Profile::type, member) == offset)

static_assert(sizeof(Profile::Node) == 88);
AT(Node, name, 0);
AT(Node, script_name, 8);
AT(Node, script_id, 16);
AT(Node, start_position, 20);
AT(Node, line_number, 24);
AT(Node, column_number, 28);
AT(Node, node_id, 32);
AT(Node, children, 40);
AT(Node, allocations, 64);
static_assert(sizeof(Profile::Allocation) == 16);
AT(Allocation, size, 0);
AT(Allocation, count, 8);
static_assert(sizeof(Profile::Sample) == 40);
AT(Sample, node_id, 0);
AT(Sample, size, 8);
AT(Sample, count, 16);
AT(Sample, sample_id, 24);
AT(Sample, is_live, 32);
static_assert(sizeof(v8::HeapProfiler::SamplingFlags) == 4);
using Allow = v8::Isolate::AllowJavascriptExecutionScope;
static_assert(sizeof(Allow) == 16);
static_assert(__builtin_offsetof(Allow, was_execution_allowed_assert_) == 8);

static_assert(sizeof(v8::internal::Flag::FlagType) == 4);
static_assert(__builtin_offsetof(v8::internal::Flag, type_) == 0);
static_assert(__builtin_offsetof(v8::internal::Flag, valptr_) == 8);
static_assert(__builtin_offsetof(v8::internal::Flag, defptr_) == 16);

v8::internal::Flag* flag(const char* name) { return v8::internal::FindFlagByName(name); }
bool are_flags_frozen() { return v8::internal::FlagList::IsFrozen(); }
v8::Isolate* current() { return v8::Isolate::TryGetCurrent(); }
bool allows_javascript(v8::Isolate* isolate) {
  return Allow(isolate).was_execution_allowed_assert_;
}
void restore(v8::Isolate* isolate) { isolate->AutomaticallyRestoreInitialHeapLimit(0.5); }
v8::HeapProfiler* get_heap_profiler(v8::Isolate* isolate) { return isolate->GetHeapProfiler(); }
bool start(v8::HeapProfiler* profiler) {
  return profiler->StartSamplingHeapProfiler(1, 2, v8::HeapProfiler::kSamplingNoFlags);
}
void stop(v8::HeapProfiler* profiler) { profiler->StopSamplingHeapProfiler(); }
void track(v8::HeapProfiler* profiler) { profiler->StartTrackingHeapObjects(true); }
void track_no_more(v8::HeapProfiler* profiler) { profiler->StopTrackingHeapObjects(); }
Profile* take(v8::HeapProfiler* profiler) { return profiler->GetAllocationProfile(); }

extern "C" {
void* slot_of_get_root_node(Profile* profile) { return profile->GetRootNode(); }
const void* slot_of_get_samples(Profile* profile) { return &profile->GetSamples(); }
void slot_of_deleting_destructor(Profile* profile) { delete profile; }
}
