"""What tests share: models, made-up results, trees and sites, and how their files are made."""
