#!/bin/sh
# Makes this archive: two packages, a list of them, and its signature by a key that is thrown away.
set -eu
cd "$(dirname "$0")"
rm -rf dists pool ./*.gpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p pool dists/toy/main/binary-amd64

package() { # NAME VERSION DEPENDS
	mkdir -p "$work/$1/DEBIAN" "$work/$1/usr/share/$1"
	echo toy >"$work/$1/usr/share/$1/file"
	{
		printf 'Package: %s\nVersion: %s\nArchitecture: all\n' "$1" "$2"
		printf 'Maintainer: T <t@localhost>\n%sDescription: t\n' "${3:+Depends: $3
}"
	} >"$work/$1/DEBIAN/control"
	dpkg-deb --root-owner-group -Zgzip -b "$work/$1" "pool/$1_$2_all.deb"
}
package lab-toy-base 1 ''
package lab-toy 2 'lab-toy-base (>= 1)'

list=main/binary-amd64/Packages
for deb in pool/*.deb; do
	dpkg-deb -f "$deb"
	printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" \
		"$(sha256sum <"$deb" | cut -d' ' -f1)"
done >dists/toy/$list
{
	printf 'Origin: Toy\nSuite: toy\nCodename: toy\nComponents: main\nArchitectures: amd64\n'
	printf 'Date: Wed, 01 Jan 2020 00:00:00 UTC\nValid-Until: Wed, 08 Jan 2020 00:00:00 UTC\n'
	printf 'SHA256:\n %s %s %s\n' "$(sha256sum <dists/toy/$list | cut -d' ' -f1)" \
		"$(stat -c %s dists/toy/$list)" $list
} >"$work/Release"

for name in keyring other; do
	mkdir -m 700 "$work/$name.home"
	gpg --homedir "$work/$name.home" --batch --quiet --passphrase '' \
		--faked-system-time 20191201T000000 --quick-gen-key "$name@localhost" rsa3072 sign never
	gpg --homedir "$work/$name.home" --export >$name.gpg
done
gpg --homedir "$work/keyring.home" --batch --faked-system-time 20200101T000000 \
	--digest-algo SHA512 --clearsign -o dists/toy/InRelease "$work/Release"
