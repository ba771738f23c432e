"""Which part of the kernel is a function of?"""

from __future__ import annotations

import re

ALLOC, FREE, RESERVE = "alloc", "free", "reserve"
INVALIDATION, MEMORY, SWIOTLB = "invalidation", "memory", "swiotlb"
LOCK, GENERIC, OTHER = "lock", "generic", "other"

_ALLOCS = """
    alloc_iova alloc_iova_fast __alloc_and_insert_iova_range iommu_dma_alloc_iova alloc_iova_mem
    dma_ops_alloc_iova intel_alloc_iova iova_insert_rbtree iova_rcache_get __iova_rcache_get
    __get_cached_rbnode dma_iova_try_alloc __cached_rbnode_insert_update
"""
_FREES = """
    free_iova free_iova_fast __free_iova private_free_iova remove_iova find_iova private_find_iova
    free_iova_mem iova_magazine_free_pfns iova_rcache_insert __iova_rcache_insert
    free_cpu_cached_iovas free_global_cached_iovas iova_depot_work_func iommu_dma_free_iova
    dma_ops_free_iova __cached_rbnode_delete_update fq_ring_free fq_ring_free_locked
    fq_flush_timeout queue_iova queue_iova_to_fq iova_domain_flush_free free_iova_rcaches
    put_iova_domain fq_destroy_all_entries iova_cpuhp_dead
"""
_RESERVES = "reserve_iova iova_reserve_iommu_regions iova_reserve_pci_windows"
_INVALIDATIONS = """
    qi_submit_sync qi_flush_iotlb qi_flush_piotlb qi_flush_dev_iotlb iommu_flush_iotlb_psi
    intel_iommu_tlb_sync intel_flush_iotlb_all iommu_completion_wait __iommu_queue_command_sync
    iommu_queue_command_sync wait_on_sem amd_iommu_flush_tlb_all amd_iommu_domain_flush_pages
    __domain_flush_pages domain_flush_complete amd_iommu_iotlb_sync arm_smmu_cmdq_issue_cmdlist
    arm_smmu_cmdq_poll_until_sync arm_smmu_cmdq_batch_submit arm_smmu_iotlb_sync
    arm_smmu_tlb_inv_range_domain arm_smmu_tlb_inv_context arm_smmu_tlb_sync_context
    fq_flush_iotlb iova_domain_flush iommu_flush_iotlb_all cache_tag_flush_range
    cache_tag_flush_all device_flush_iotlb
"""
_LOCKS = re.compile(
    r"(?:native_|__pv_|pv_)?queued_spin_lock_slowpath|__pv_queued_spin_\w+|do_raw_spin_lock"
    r"|_?_?raw_spin_(?:lock|unlock|trylock)\w*|ticket_spin_lock_slowpath|spin_lock\w*"
    r"|rt_spin_lock\w*|queued_spin_\w+|lock_acquire|_?_?lock_\w*acquire"
)
_GENERICS = re.compile(
    r"rb_(?:prev|next|insert_color|erase|first|last|add)\w*|__rb_\w+|dump_(?:stack|backtrace)\w*"
    r"|show_(?:stack|regs|trace)\w*|print_\w+|_?_?kasan_\w+|__asan_\w+|check_memory_region\w*"
    r"|watchdog\w*|__?nmi\w*|nmi_\w+|default_do_nmi|do_nmi|end_repeat_nmi|__hrtimer\w*|hrtimer_\w+"
    r"|a?sm_\w+|sysvec_\w+|el\d\w*|gic_\w+|\w*_irq_entry|ret_from\w*|apic_timer\w*"
    r"|smp_apic\w*|_?_?(?:do_)?softirq\w*|irq_exit\w*|irq_enter\w*|handle_softirqs|panic|oops_\w+"
    r"|die|__die|no_context|bad_area\w*|__bad_area\w*|page_fault|do_page_fault|exc_\w+"
    r"|__might_\w+|___might_sleep|lock_release|rcu_\w+|update_process_times|tick_sched\w*"
    r"|report_bug|handle_bug|do_error_trap|do_trap|invalid_op|do_invalid_op|__warn\w*|notifier\w*"
    r"|perf_event_\w+|__perf_event\w*|\w*_handle_irq\w*|handle_percpu\w*|__handle_domain_irq"
    r"|__?schedule\w*|schedule\w*|io_schedule\w*|_?__switch_to\w*|_switch_to|kthread|trigger_load_balance|memcpy\w*|memset\w*|fixup_exception|do_idle|secondary_startup\w*"
)
_MEMORIES = re.compile(
    r"kmem_cache_(?:alloc|free|zalloc)\w*|_?_?_?slab_alloc\w*|___slab_alloc|__kmalloc\w*|kmalloc\w*"
    r"|allocate_slab|new_slab\w*|get_partial\w*|__alloc_pages\w*|alloc_pages\w*|refill_\w+"
    r"|__pcs_\w+|warn_alloc|get_page_from_freelist|__slab_free|slab_post_alloc_hook|cache_alloc\w*"
)
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold|llvm|lto_priv)[.\w]*$")

_KNOWN = {
    **dict.fromkeys(_ALLOCS.split(), ALLOC),
    **dict.fromkeys(_FREES.split(), FREE),
    **dict.fromkeys(_RESERVES.split(), RESERVE),
    **dict.fromkeys(_INVALIDATIONS.split(), INVALIDATION),
}
#: Classes of the allocator itself.
IOVA = (ALLOC, FREE, RESERVE)


def plain(name: str) -> str:
    """A function without what the compiler added to its name."""
    return _SUFFIX.sub("", name)


def class_of(name: str) -> str:
    """One of the classes above."""
    name = plain(name)
    if name in _KNOWN:
        return _KNOWN[name]
    if name.startswith("swiotlb"):
        return SWIOTLB
    if _LOCKS.fullmatch(name):
        return LOCK
    if _MEMORIES.fullmatch(name):
        return MEMORY
    return GENERIC if _GENERICS.fullmatch(name) else OTHER
