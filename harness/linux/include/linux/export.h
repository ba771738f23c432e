/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - what a module tells about itself is dropped; an exported
 * function is a function.  Costs nothing.  variant.c redefines EXPORT_SYMBOL()
 * where calls have to stay calls.
 */
#ifndef SHIM_TEXT_EXPORT_H
#define SHIM_TEXT_EXPORT_H

#define EXPORT_SYMBOL(name)		extern __typeof__(name) name
#define EXPORT_SYMBOL_GPL(name)		EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_NS_GPL(name, ns)	EXPORT_SYMBOL(name)

#define MODULE_AUTHOR(text)
#define MODULE_DESCRIPTION(text)
#define MODULE_LICENSE(text)
#define MODULE_IMPORT_NS(ns)
#define THIS_MODULE			NULL

#endif
